import type { Answer, ImageVerdict } from './decide.ts'
import type { Refusal } from './judge-policy.ts'
import { isUnchecked } from './reasons.ts'
import { plain } from './shown.ts'

type Verdicts = Extract<Answer, { readonly kind: 'allow' | 'deny' }>['verdicts']

/** The API server cuts longer warnings, and drops what is beyond its limit for all of them. */
const warningLimit = 256
const warningsLimit = 4096
/** Images that are named; a review may have thousands. */
const listedLimit = 50

/**
 * What somebody reads whose request is refused: each image, the rule, the reason, what to do. `id` is that under which the
 * decision is kept. Undefined where nothing is refused.
 */
export function refusalText(verdicts: Verdicts, id: string | undefined): string | undefined {
  const refused = verdicts.filter(({ refusals }) => refusals.length > 0)
  if (refused.length === 0) return undefined
  const all = refused.flatMap(({ refusals }) => refusals)
  const policies = [...new Set(all.map(({ policy }) => policy))].filter((policy) => policy !== '')
  const lines = refused.slice(0, listedLimit).map((verdict) => imageLine(verdict, policies.length > 1))
  if (refused.length > listedLimit) lines.push(`and ${refused.length - listedLimit} more`)
  if (id !== undefined) lines.push(`details: trow policy explain ${id}`)
  const images = verdicts.length === 1 ? 'the image' : `${refused.length} of ${verdicts.length} images`
  const by = policies.length === 0 ? '' : ` by ${policiesText(policies)}`
  const headline = all.every(({ reason }) => isUnchecked(reason))
    ? `${images} could not be checked${by}, try again`
    : `${images} refused${by}`
  return [headline, ...lines].join('\n  ')
}

/** What warns and does not refuse, a line for each image and policy: at most 256 characters each, 4,096 in all. */
export function warningTexts(verdicts: Verdicts): readonly string[] {
  const texts = verdicts.flatMap(({ image, canonical, warnings }) =>
    warnings.map((warning) => {
      const text = `policy ${warning.policy} would refuse ${nameText(image.name, canonical)}: ${reasonText(warning)}`
      return text.length <= warningLimit ? text : `${text.slice(0, warningLimit - 1)}…`
    }),
  )
  let left = warningsLimit
  return texts.filter((text) => (left -= text.length) >= 0)
}

function policiesText(policies: readonly string[]): string {
  return `${policies.length === 1 ? 'policy' : 'policies'} ${policies.join(', ')}`
}

/** `app: nginx (docker.io/library/nginx:latest)  NOT_ALLOWED …`. The name as typed, and what it means where that differs. */
function imageLine({ image, canonical, refusals }: ImageVerdict, withPolicy: boolean): string {
  const reasons = refusals.map((refusal) =>
    withPolicy ? `${refusal.policy}: ${reasonText(refusal)}` : reasonText(refusal),
  )
  const place = image.place === '' ? '' : `${plain(image.place)}: `
  return `${place}${nameText(image.name, canonical)}  ${reasons.join('; ')}`
}

function nameText(name: unknown, canonical: string | undefined): string {
  const typed = typeof name === 'string' ? plain(name) : '(no name)'
  return canonical === undefined || typed === canonical ? typed : `${typed} (${canonical})`
}

function reasonText({ reason, detail, fix }: Refusal): string {
  return fix === undefined ? `${reason} ${detail}` : `${reason} ${detail}. Fix: ${fix}`
}
