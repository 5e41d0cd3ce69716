import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'

/** distribution-spec, "Error Codes". Registries omit members and add others. */
const errorsSchema = z.object({
  errors: z.array(z.object({ message: z.string().optional(), detail: z.unknown().optional() })),
})

/**
 * Returns the registry's own message if the body is the specification's JSON, otherwise `undefined`. At most
 * 1,000 characters.
 */
export function registryReason(body: Uint8Array): string | undefined {
  const { errors = [] } = tryForeignJson(body, errorsSchema) ?? {}
  const reasons = errors.map(({ message = '', detail }) => {
    if (typeof detail !== 'string' || detail === '') return message
    // Many registries, and trow before this version, begin the detail with the message.
    return detail.startsWith(message) ? detail : `${message} (${detail})`
  })
  const text = reasons.filter((reason) => reason !== '').join('; ')
  return text === '' ? undefined : text.slice(0, 1000)
}
