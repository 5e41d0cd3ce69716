import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { missing } from '../requirements.ts'
import { runCommand } from '../support/run-trow.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-completion-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** What the shell itself offers for the last of `words`. */
const shells: Readonly<Record<string, (script: string, words: readonly string[]) => string>> = {
  bash: (script, words) =>
    execFileSync('bash', [
      '--norc',
      '-c',
      `source ${script}; COMP_WORDS=(${quoted(words)}); COMP_CWORD=${words.length - 1}; _trow; printf '%s\n' "\${COMPREPLY[@]}"`,
    ]).toString(),
  // Its completion system needs a terminal: what it would be given.
  zsh: (script, words) =>
    execFileSync('zsh', [
      '-f',
      '-c',
      `compdef() {}; _values() { print -l -- "$@" }; _arguments() { print -l -- "$@" }; source ${script}; words=(${quoted(words)}); CURRENT=${words.length}; _trow`,
    ]).toString(),
  fish: (script, words) =>
    execFileSync('fish', ['--no-config', '-c', `source ${script}; complete -C '${words.join(' ')}'`], {
      env: { ...process.env, HOME: folder },
    }).toString(),
}

function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(' ')
}

for (const [shell, offered] of Object.entries(shells)) {
  suite(`completion in ${shell}`, { skip: missing(shell) }, () => {
    const cases: readonly (readonly [words: readonly string[], offered: RegExp, not: RegExp])[] = [
      [['trow', ''], /^'?serve/m, /--listen/],
      [['trow', 'serve', '--gc-g'], /--gc-grace/, /--dry-run/],
      [['trow', 'ls', '--plain'], /--plain-http/, /--listen/],
      [['trow', 'gc', '--output', ''], /json/, /^serve/m],
      [['trow', 'completion', ''], /fish/, /--listen/],
      [['trow', 'ca', ''], /^'?rotate/m, /^'?serve/m],
      [['trow', 'ca', 'rotate', '--fin'], /--finish/, /--listen|^'?show/m],
      [['trow', 'audit', 'query', '--output', ''], /jsonl/, /^'?follow/m],
    ]
    for (const [words, expected, not] of cases) {
      test(words.join(' '), async () => {
        const { stdout, code } = await runCommand(['completion', shell])
        assert.equal(code, 0)
        const script = join(folder, shell)
        writeFileSync(script, stdout)
        const found = offered(script, words)
        assert.match(found, expected)
        assert.doesNotMatch(found, not)
      })
    }
  })
}
