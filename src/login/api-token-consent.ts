import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { KubeContext } from '../cluster/kube-context.ts'
import { replaceFile } from '../cluster/replace-file.ts'
import { exitCode, UserError } from '../user-error.ts'
import { home, type Env } from './engine.ts'
import { parseForeignJson } from '../foreign-json.ts'

/** What the person is asked about. */
export interface ApiTokenQuestion {
  readonly context: KubeContext
  /** The registry that would receive the token, as references name it. */
  readonly registry: string
  /** `--share-api-token` of this run. */
  readonly isShared: boolean
}

/** Tells the person what it means, and returns whether they agree. */
export type AskConsent = (question: ApiTokenQuestion) => Promise<boolean>

/** `TROW_SHARE_API_TOKEN=true` is `--share-api-token`. */
const variable = 'TROW_SHARE_API_TOKEN'

const consentSchema = z.object({ context: z.string(), server: z.string(), registry: z.string() })
const fileSchema = z.object({ consents: z.array(consentSchema).max(10_000) })
type Consent = z.infer<typeof consentSchema>

/**
 * Returns once the person agrees that a token for the API server is presented to the registry. Whoever receives such a
 * token can do in the cluster what the person can. An answer holds for this context, API server and registry
 * from then on; a flag or variable holds for one run. Throws UserError API_TOKEN_NOT_SHARED.
 */
export async function needApiTokenConsent(
  question: ApiTokenQuestion,
  env: Env,
  ask: AskConsent | undefined,
): Promise<void> {
  if (question.isShared || /^(1|true|yes|on)$/i.test(env[variable] ?? '')) return
  const { context, registry } = question
  const consent: Consent = { context: context.name, server: context.cluster.server, registry }
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

/** A list that cannot be read holds no consent: the person is asked again. */
async function readConsents(env: Env): Promise<readonly Consent[]> {
  try {
    return parseForeignJson(await readFile(consentFile(env), 'utf8'), fileSchema).consents
  } catch {
    return []
  }
}

/** A home that cannot be written is no reason to fail: the question comes again. */
async function writeConsents(env: Env, consents: readonly Consent[]): Promise<void> {
  const text = `${JSON.stringify({ consents }, undefined, 2)}\n`
  await replaceFile(consentFile(env), text, 0o600).catch(() => undefined)
}

function consentFile(env: Env): string {
  return join(env['XDG_CONFIG_HOME'] || join(home(env), '.config'), 'trow', 'api-token-consents.json')
}

function isSame(one: Consent, other: Consent): boolean {
  return one.context === other.context && one.server === other.server && one.registry === other.registry
}
