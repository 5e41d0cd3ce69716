import assert from 'node:assert/strict'
import { parse } from 'yaml'
import type { z } from 'zod'
import { resultSchemas } from '../../src/cli/result/result-kinds.ts'

type Kind = keyof typeof resultSchemas

/** What a command has printed, as JSON or YAML; fails unless it is a result of that kind, with nothing beside it. */
export function checkResult<Name extends Kind>(
  kind: Name,
  printed: string,
): z.infer<(typeof resultSchemas)[Name]> {
  // YAML 1.2 contains JSON.
  const value: unknown = printed.startsWith('{') ? JSON.parse(printed) : parse(printed)
  const parsed = resultSchemas[kind].safeParse(value)
  assert.ok(parsed.success, `${kind}: ${parsed.error?.message}\n${printed.slice(0, 2000)}`)
  assert.deepEqual(value, parsed.data, `${kind}: a member that its schema does not have`)
  return parsed.data as z.infer<(typeof resultSchemas)[Name]>
}

/** The lines of `-o jsonl`, each checked. */
export function checkLines<Name extends Kind>(
  kind: Name,
  printed: string,
): z.infer<(typeof resultSchemas)[Name]>[] {
  return printed
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => checkResult(kind, line))
}

/** The last line of stderr. */
export function checkError(stderr: string): z.infer<(typeof resultSchemas)['Error']> {
  return checkResult('Error', stderr.trimEnd().split('\n').at(-1) ?? '')
}
