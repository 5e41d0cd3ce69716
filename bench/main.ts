import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { measureAdmission, printAdmission } from './admission.ts'
import { checkClient } from './check-client.ts'
import { makeCertificate } from './certificate.ts'
import { compareRows, runSpecialRows } from './compare.ts'
import { measureInputs, printInputs } from './inputs.ts'
import { requireWrk } from './load.ts'
import { makePeer, workerCount, type PeerName } from './peers.ts'
import { largePolicy, measurePolicy, printPolicy } from './policy.ts'
import { describeMachine, printMarkdown, type Report } from './report.ts'
import { measureShared, printShared } from './shared.ts'
import { measureStart, printStart } from './start.ts'

const usage = `npm run bench -- [options]
  --quick             short measurements, 2 rounds
  --rows PATTERN      only rows whose name matches this regular expression
  --peers A,B         of trow, bare-node, distribution (all)
  --rounds N          rounds (5)
  --seconds N         of one measurement (3)
  --tls               over TLS instead of plain HTTP
  --trow FOLDER       the checkout of trow that is measured (this one)
  --before FOLDER     a checkout of trow from before, measured beside it
  --policies          trow judges by 10,000 rules and 10,000 denied digests (beside --before . it costs what that costs)
  --check-client      only show that our own client is not the limit
  inputs              only what the largest input of each route costs
  policy              only what the judge of images costs
  start               only how long starts take, and how large the package is
  admission           only what reviews of an API server cost, 500 a second for ten times --seconds
  shared              only trow on PostgreSQL and S3, beside Distribution on the same S3 and trow with SQLite and a folder
  --save              keep the result in bench/results/`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    rows: { type: 'string', default: '' },
    peers: { type: 'string', default: 'trow,bare-node,distribution' },
    before: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    tls: { type: 'boolean', default: false },
    trow: { type: 'string' },
    policies: { type: 'boolean', default: false },
    'check-client': { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(usage)
  process.exit(0)
}
const { quick } = values
const rounds = Number(values.rounds ?? (quick ? 2 : 5))
const seconds = Number(values.seconds ?? (quick ? 1 : 3))
const pattern = new RegExp(values.rows, 'i')
const workers = workerCount(availableParallelism())

const folder = mkdtempSync(join(tmpdir(), 'trow-bench-'))
const removeFolder = (): void => rmSync(folder, { recursive: true, force: true })
process.on('exit', removeFolder)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))

const { trow: checkout, before } = values
const args = values.policies ? policyArguments(folder) : []
const peers = values.peers
  .split(',')
  .concat(before === undefined ? [] : ['before'])
  .map((name) => makePeer(name as PeerName, { workers, checkout, before, args }))

if (positionals.includes('inputs')) {
  const checkout = values.trow ?? fileURLToPath(new URL('..', import.meta.url))
  const table = `${describeMachine()}\n\n${printInputs(await measureInputs(folder, checkout, (text) => console.error(text), pattern))}`
  console.log(table)
  if (values.save) keep('-inputs', { md: table })
  process.exit(0)
}
if (positionals.includes('admission')) {
  const table = `${describeMachine()}\n\n${printAdmission(await measureAdmission(folder, seconds * 10))}`
  console.log(table)
  if (values.save) keep('-admission', { md: table })
  process.exit(0)
}
if (positionals.includes('policy')) {
  const table = `${describeMachine()}\n\n${printPolicy(measurePolicy(folder))}`
  console.log(table)
  if (values.save) keep('-policy', { md: table })
  process.exit(0)
}
if (positionals.includes('start')) {
  const table = `${describeMachine()}\n\n${printStart(await measureStart(folder, rounds))}`
  console.log(table)
  if (values.save) keep('-start', { md: table })
  process.exit(0)
}
requireWrk()
if (values['check-client']) {
  await checkClient(seconds)
  process.exit(0)
}
if (positionals.includes('shared')) {
  const [trow, distribution] = [
    makePeer('trow', { workers, checkout }),
    makePeer('distribution', { workers }),
  ]
  const options = { folder, trow, distribution, seconds, rounds, quick, pattern }
  const report = await measureShared(options, (text) => console.error(text))
  const table = printShared(report, options)
  console.log(table)
  if (values.save) keep('-shared', { json: JSON.stringify(report, undefined, 2), md: table })
  process.exit(0)
}
const certificate = values.tls ? await makeCertificate(folder) : undefined
const ofBefore = values.policies ? 0.95 : 0.97
const options = { folder, certificate, seconds, rounds, quick, pattern, peers, ofBefore }
const note = (text: string): void => console.error(text)
const compared = await compareRows(options, note)
const special = await runSpecialRows(options, note)
const report: Report = {
  when: new Date().toISOString(),
  tls: values.tls,
  rounds,
  seconds,
  workers,
  peers: Object.fromEntries(peers.map((peer) => [peer.name, peer.version()])),
  compared,
  special,
}
const markdown = printMarkdown(report)
console.log(markdown)
if (values.save) keep(values.tls ? '-tls' : '', { json: JSON.stringify(report, undefined, 2), md: markdown })
process.exit(0)

/** Of a server that judges by the largest policy there may be, which takes what the rows push and pull. */
function policyArguments(within: string): readonly string[] {
  const policies = join(within, 'policies')
  mkdirSync(policies)
  writeFileSync(join(policies, 'large.json'), JSON.stringify(largePolicy('pass')))
  return [`--policy-dir=${policies}`]
}

function keep(suffix: string, texts: Readonly<Record<string, string>>): void {
  const name = `${new Date().toISOString().slice(0, 16).replace(/[:T]/g, '-')}${suffix}`
  const results = fileURLToPath(new URL('results', import.meta.url))
  mkdirSync(results, { recursive: true })
  for (const [ending, text] of Object.entries(texts))
    writeFileSync(join(results, `${name}.${ending}`), `${text}\n`)
}
