import { findOnPath } from '../program-path.ts'
import { isForProgram } from '../result/output.ts'
import { printResult, textTerminal, type Result } from '../result/print-result.ts'
import type { Terminal } from '../streams.ts'
import { helperName, type LoginOutcome, type LogoutOutcome } from '../../login/login.ts'
import { needsServiceAccount } from '../../login/registry-credential.ts'

export async function printLogin(
  host: string,
  outcome: LoginOutcome,
  output: string,
  terminal: Terminal,
): Promise<void> {
  printLoginText(host, outcome, textTerminal(terminal, output))
  if (isForProgram(output)) await printResult('Login', loginResult(host, outcome), output, terminal)
}

/** Returns what a login has for programs: never a password or a token. */
function loginResult(host: string, outcome: LoginOutcome): Result<'Login'> {
  if (outcome.kind === 'certificate') {
    const { kind, name, until, files } = outcome
    return { host, method: kind, username: name, until: new Date(until).toISOString(), files }
  }
  const { kind } = outcome
  const files = outcome.engines.map(({ config }) => config)
  if (kind === 'password') return { host, method: kind, username: outcome.username, files }
  const { origin, until } = outcome
  const end = until === undefined ? undefined : new Date(until).toISOString()
  return { host, method: kind, origin, until: end, files }
}

function printLoginText(host: string, outcome: LoginOutcome, terminal: Terminal): void {
  const { env, stdout, stderr } = terminal
  if (outcome.kind === 'certificate') {
    const { name, until, files } = outcome
    stdout.write(`${host}: shown the client certificate of "${name}", ${untilWords(until)}\n`)
    for (const file of files) stdout.write(`  ${file}\n`)
    return
  }
  if (outcome.kind === 'password') {
    stdout.write(`${host}: logged in as "${outcome.username}"\n`)
    for (const { readers, config } of outcome.engines) stdout.write(`  ${readers}: ${config}\n`)
    return
  }
  const { kind, origin, until, engines, isForApiServer } = outcome
  stdout.write(
    kind === 'helper'
      ? `${host}: asks for ${origin} each time\n`
      : `${host}: logged in with ${origin}, ${untilWords(until)}\n`,
  )
  for (const { readers, config } of engines) stdout.write(`  ${readers}: ${config}\n`)
  if (isForApiServer) stderr.write(apiTokenNote)
  if (kind === 'helper' && findOnPath(`docker-credential-${helperName}`, env) === undefined) {
    stderr.write(
      `  docker-credential-${helperName} is not in PATH: npm install --global trow puts it there, beside trow.\n`,
    )
  }
}

export async function printLogout(
  host: string,
  { undone, wasKnown }: LogoutOutcome,
  output: string,
  terminal: Terminal,
): Promise<void> {
  const wasLoggedIn = undone.length > 0 || wasKnown
  if (isForProgram(output)) return printResult('Logout', { host, wasLoggedIn, undone }, output, terminal)
  terminal.stdout.write(
    wasLoggedIn
      ? `${host}: logged out\n${undone.map((line) => `  ${line}\n`).join('')}`
      : `${host}: nobody was logged in\n`,
  )
}

function untilWords(until: number | undefined): string {
  if (until === undefined) return 'for as long as the cluster takes it'
  return `until ${new Date(until).toISOString().replace(/\.\d+Z$/, 'Z')}`
}

const apiTokenNote = `  It is a token for the API server: the registry takes it only with --api-server-tokens. ${needsServiceAccount}\n`
