import { existsSync, readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'
import { UserError } from '../../user-error.ts'
import { pathOf, type DeveloperMachine } from './machine.ts'
import type { FileStep } from './trust-step.ts'

/**
 * Rancher Desktop's VM loses /etc at every start, so that a provisioning script writes the CA again: an entry
 * of `provision` in lima's override.yaml (macOS, Linux), or a file `*.start` of its own (Windows). A `ca` of
 * `undefined` removes trow's script. Returns `undefined` if nothing needs to change.
 */
export function planProvisioning(
  machine: DeveloperMachine,
  host: string,
  ca: string | undefined,
): FileStep | undefined {
  const path = provisioningFile(machine, host)
  const before = existsSync(path) ? readFileSync(path, 'utf8') : undefined
  const after =
    machine.platform === 'win32'
      ? ownScript(path, before, host, ca)
      : editOverride(path, before ?? '', host, ca && provisioningScript(host, ca))
  if ((after ?? '') === (before ?? '')) return undefined
  const folder = pathOf(path, '..')
  if (!existsSync(folder)) {
    throw new UserError('ENGINE_NEVER_RAN', `${folder} is not there`, {
      hint: 'Start Rancher Desktop once, so that it makes its folders.',
    })
  }
  return { kind: 'file', path, before, after: after === '' ? undefined : after, folders: [], sudo: false }
}

function provisioningFile(machine: DeveloperMachine, host: string): string {
  const { platform, home, env } = machine
  if (platform === 'win32') {
    const local = env['LOCALAPPDATA']?.replaceAll('\\', '/') || pathOf(home, 'AppData', 'Local')
    const name = `trow-${host.replaceAll(/[^a-z0-9.-]/g, '-')}.start`
    return pathOf(local, 'rancher-desktop', 'provisioning', name)
  }
  const data =
    platform === 'darwin'
      ? pathOf(home, 'Library', 'Application Support')
      : env['XDG_DATA_HOME'] || pathOf(home, '.local', 'share')
  return pathOf(data, 'rancher-desktop', 'lima', '_config', 'override.yaml')
}

function provisioningScript(host: string, ca: string): string {
  const folder = `/etc/docker/certs.d/${host}`
  return `#!/bin/sh
# managed-by: trow; "trow trust-docker --undo" takes it away
set -eu
mkdir -p '${folder}'
cat > '${folder}/trow-ca.crt' <<'TROW'
${ca.trim()}
TROW
`
}

function ownScript(
  path: string,
  before: string | undefined,
  host: string,
  ca: string | undefined,
): string | undefined {
  if (before !== undefined && !before.includes('\n# managed-by: trow;')) {
    throw new UserError('FILE_EXISTS', `${path} is there already, and not from trow`, {
      hint: 'Move it away first.',
    })
  }
  return ca === undefined ? undefined : provisioningScript(host, ca)
}

/**
 * Returns the YAML with one block added or removed and every other byte unchanged. The block is inserted
 * after a line `provision:`, which a block list must follow, or appended with a key of its own. A `script` of
 * `undefined` removes the block. Throws UserError OVERRIDE_UNUSABLE if the file has another form.
 */
export function editOverride(path: string, text: string, host: string, script: string | undefined): string {
  const bare = withoutBlock(text, host)
  if (script === undefined) return bare
  const key = /^provision:[ \t]*(?:#.*)?\r?$/m.exec(bare)
  const edited =
    key === null ? appended(bare, host, script) : inserted(bare, key.index + key[0].length, host, script)
  const ours = hasScript(edited, script)
  const others = provisions(bare)
  if (!ours || others === undefined || provisions(edited) !== others + 1) {
    throw new UserError('OVERRIDE_UNUSABLE', `${path} is written in a way that trow does not change`, {
      hint: `Add this to its list "provision" yourself:\n${item('', script)}`,
    })
  }
  return edited
}

const begin = (host: string): string => `# trow trust-docker: begin ${host}`
const end = (host: string): string => `# trow trust-docker: end ${host}`
const afterCut = ' (the line before had no end)'

function inserted(text: string, at: number, host: string, script: string): string {
  const rest = text.slice(at)
  const [, indent = ''] = /^\r?\n(?:[ \t]*(?:#.*)?\r?\n)*([ \t]*)- /.exec(rest) ?? []
  return `${text.slice(0, at)}\n${begin(host)}\n${item(indent, script)}${end(host)}${rest}`
}

function appended(text: string, host: string, script: string): string {
  const cut = text !== '' && !text.endsWith('\n')
  const head = `${cut ? '\n' : ''}${begin(host)}${cut ? afterCut : ''}`
  return `${text}${head}\nprovision:\n${item('', script)}${end(host)}\n`
}

function item(indent: string, script: string): string {
  const lines = script.trimEnd().split('\n')
  return `${indent}- mode: system\n${indent}  script: |\n${lines.map((line) => `${indent}    ${line}\n`).join('')}`
}

function withoutBlock(text: string, host: string): string {
  const from = text.indexOf(`${begin(host)}\n`)
  const cut = text.indexOf(`${begin(host)}${afterCut}\n`)
  const start = from === -1 ? cut : from
  const stop = text.indexOf(end(host), start)
  if (start === -1 || stop === -1) return text
  const after = stop + end(host).length
  const block = text.slice(start, stop)
  // A block with its own key includes its last line break. A block below an existing key was inserted before
  // a line break of the user's file, and begins with one of its own.
  const whole = block.includes('\nprovision:\n')
  return whole
    ? text.slice(0, cut === -1 ? start : start - 1) + text.slice(after + 1)
    : text.slice(0, start - 1) + text.slice(after)
}

/** Returns the number of scripts; `undefined` if the text is not YAML or has no list. */
function provisions(text: string): number | undefined {
  const list = provisionList(text)
  return list?.length
}

function hasScript(text: string, script: string): boolean {
  return provisionList(text)?.some((each) => (each as { script?: unknown }).script === script) === true
}

function provisionList(text: string): readonly unknown[] | undefined {
  const document = parseDocument(text)
  if (document.errors.length > 0) return undefined
  const value = document.toJS() as { provision?: unknown } | null
  if (value === null) return []
  if (typeof value !== 'object') return undefined
  const { provision = [] } = value
  return provision === null ? [] : Array.isArray(provision) ? provision : undefined
}
