import { counted } from '../counted.ts'
import type { Answer, ImageVerdict } from './decide.ts'
import type { Refusal } from './judge-policy.ts'
import { isUnchecked } from './reasons.ts'
import { plain } from './shown.ts'

type Verdicts = Extract<Answer, { readonly kind: 'allow' | 'deny' }>['verdicts']

/** The API server truncates longer warnings, and drops warnings beyond its limit for all of them together. */
const warningLimit = 256
const warningsLimit = 4096
/** Images named in the text; a review may have thousands. */
const listedLimit = 50

/**
 * The message of a refused request: each image, the rule, the reason and how to resolve it. `id` is the id
 * under which the decision is stored. Undefined where nothing is refused.
 */
export function refusalText(verdicts: Verdicts, id: string | undefined): string | undefined {
  const refused = verdicts.filter(({ refusals }) => refusals.length > 0)
  if (refused.length === 0) return undefined
  const all = refused.flatMap(({ refusals }) => refusals)
  const policies = [...new Set(all.map(({ policy }) => policy))].filter((policy) => policy !== '')
  const lines = refused.slice(0, listedLimit).map((verdict) => imageLine(verdict, policies.length > 1))
  if (refused.length > listedLimit) lines.push(`and ${refused.length - listedLimit} more`)
  if (id !== undefined) lines.push(`details: trow policy explain ${id}`)
  const images = `${refused.length} of ${counted(verdicts.length, 'image')}`
  const [subject, are] =
    verdicts.length === 1 ? ['the image', 'is'] : [images, refused.length === 1 ? 'is' : 'are']
  const by = policies.length === 0 ? '' : ` by ${policiesText(policies)}`
  const headline = all.every(({ reason }) => isUnchecked(reason))
    ? `${subject} could not be checked${by}, try again`
    : `${subject} ${are} refused${by}`
  return [headline, ...lines].join('\n  ')
}

/**
 * Warnings that do not refuse, one line for each image and policy: at most 256 characters each and 4,096 in
 * total.
 */
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

/**
 * For example `app: nginx (docker.io/library/nginx:latest) NOT_ALLOWED …`: the name as given, and its
 * canonical form if that is different.
 */
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
