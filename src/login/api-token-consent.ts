import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { KubeContext } from '../cluster/kube-context.ts'
import { replaceFile } from '../cluster/replace-file.ts'
import { exitCode, UserError } from '../user-error.ts'
import { home, type Env } from './engine.ts'
import { parseForeignJson } from '../foreign-json.ts'

/** What the user is asked about. */
export interface ApiTokenQuestion {
  readonly context: KubeContext
  /** The registry that would receive the token, as image references write it. */
  readonly registry: string
  /** True for `--share-api-token` in this run. */
  readonly isShared: boolean
}

/** Explains the consequence to the user, and returns whether the user agrees. */
export type AskConsent = (question: ApiTokenQuestion) => Promise<boolean>

/** `TROW_SHARE_API_TOKEN=true` has the effect of `--share-api-token`. */
const variable = 'TROW_SHARE_API_TOKEN'

const consentSchema = z.object({ context: z.string(), server: z.string(), registry: z.string() })
const fileSchema = z.object({ consents: z.array(consentSchema).max(10_000) })
type StoredConsent = z.infer<typeof consentSchema>

/**
 * Returns once the user agrees that a token for the API server is sent to the registry. The receiver of such
 * a token can do in the cluster what the user can. An answer is stored for this context, API server and
 * registry; a flag or variable holds for one run. Throws UserError API_TOKEN_NOT_SHARED.
 */
export async function needApiTokenConsent(
  question: ApiTokenQuestion,
  env: Env,
  ask: AskConsent | undefined,
): Promise<void> {
  if (question.isShared || /^(1|true|yes|on)$/i.test(env[variable] ?? '')) return
  const { context, registry } = question
  const consent: StoredConsent = { context: context.name, server: context.cluster.server, registry }
  const consents = await readConsents(env)
  if (consents.some((each) => isSame(each, consent))) return
  if ((await ask?.(question)) === true) {
    await writeConsents(env, [...consents, consent])
    return
  }
  throw new UserError(
    'API_TOKEN_NOT_SHARED',
    `context "${context.name}" holds only a token for its API server, and nobody has agreed to present it to ${registry}`,
    {
      hint:
        '--service-account NAMESPACE/NAME asks the cluster for a short-lived token that is good for the registry only.\n' +
        `  --share-api-token, or ${variable}=true, presents the token itself: the registry could then act as you in the cluster.`,
      exitCode: exitCode.notPermitted,
    },
  )
}

/** An unreadable list contains no consent: the user is asked again. */
async function readConsents(env: Env): Promise<readonly StoredConsent[]> {
  try {
    return parseForeignJson(await readFile(consentFile(env), 'utf8'), fileSchema).consents
  } catch {
    return []
  }
}

/** A home folder that cannot be written is not an error: the question is asked again next time. */
async function writeConsents(env: Env, consents: readonly StoredConsent[]): Promise<void> {
  const text = `${JSON.stringify({ consents }, undefined, 2)}\n`
  await replaceFile(consentFile(env), text, 0o600).catch(() => undefined)
}

function consentFile(env: Env): string {
  return join(env['XDG_CONFIG_HOME'] || join(home(env), '.config'), 'trow', 'api-token-consents.json')
}

function isSame(one: StoredConsent, other: StoredConsent): boolean {
  return one.context === other.context && one.server === other.server && one.registry === other.registry
}
