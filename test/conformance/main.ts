import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Connection } from './connection.ts'
import { runConformance } from './conformance.ts'

const help = `npm run conformance -- --url http://127.0.0.1:8000 [options]
  --repo1 NAME, --repo2 NAME   repositories that may be written to and deleted from
  --only PATTERN               report only leaves whose name matches
  --sparse                     the registry takes manifests whose content is not there
  --ca FILE                    CA of the registry, PEM
  --username NAME --password PASSWORD
  -o json                      machine-readable`

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    repo1: { type: 'string', default: 'conf/repo1' },
    repo2: { type: 'string', default: 'conf/repo2' },
    only: { type: 'string' },
    sparse: { type: 'boolean', default: false },
    ca: { type: 'string' },
    username: { type: 'string' },
    password: { type: 'string' },
    output: { type: 'string', short: 'o', default: 'text' },
    help: { type: 'boolean', short: 'h' },
  },
})

if (values.help === true || values.url === undefined) {
  console.log(help)
  process.exitCode = values.help === true ? 0 : 2
} else {
  const connection = new Connection({
    url: values.url,
    ...(values.ca === undefined ? {} : { ca: readFileSync(values.ca, 'utf8') }),
    ...(values.username === undefined ? {} : { username: values.username }),
    ...(values.password === undefined ? {} : { password: values.password }),
  })
  const target = { connection, repositories: [values.repo1, values.repo2] as const, sparse: values.sparse }
  const suite = await runConformance(target, values.only === undefined ? undefined : new RegExp(values.only))
  connection.close()
  if (values.output === 'json') console.log(JSON.stringify(suite.leaves, undefined, 2))
  else {
    for (const { name, status, reason } of suite.leaves) {
      if (status !== 'Pass') console.log(`${status}  ${name}: ${reason}`)
    }
    console.log(
      `${suite.leaves.length} leaves: ${suite.count('Pass')} Pass, ${suite.count('Skip')} Skip, ${suite.count('FAIL')} FAIL`,
    )
  }
  process.exitCode = suite.count('FAIL') === 0 ? 0 : 1
}
