import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'

/** distribution-spec, "Error Codes"; registries leave out members and add others. */
const errorsSchema = z.object({
  errors: z.array(z.object({ message: z.string().optional(), detail: z.unknown().optional() })),
})

/** The registry's own words, where it sent the specification's JSON; undefined where it did not. At most 1,000 characters. */
export function registryReason(body: Uint8Array): string | undefined {
  const { errors = [] } = tryForeignJson(body, errorsSchema) ?? {}
  const reasons = errors.map(({ message = '', detail }) =>
    typeof detail === 'string' && detail !== ''
      ? message === ''
        ? detail
        : `${message} (${detail})`
      : message,
  )
  const text = reasons.filter((reason) => reason !== '').join('; ')
  return text === '' ? undefined : text.slice(0, 1000)
}
