import { z } from 'zod'
import type { Digest } from '../oci/digest.ts'
import { count, digestText as digest } from './registry-documents.ts'
import { RegistryHttp, type HttpRegistryOptions } from './registry-http.ts'

const coverageSchema = z.object({
  digest,
  holders: z.array(
    z.object({
      repository: z.string(),
      manifest: digest,
      mediaType: z.string(),
      as: z.enum(['self', 'config', 'layer', 'manifest', 'blob']),
      through: digest,
      tags: z.array(z.string()),
    }),
  ),
  again: z.array(
    z.object({
      repository: z.string(),
      manifest: digest,
      shares: z.enum(['config', 'layers']),
      with: digest,
    }),
  ),
  pulls: z
    .array(
      z.object({
        user: z.string(),
        repository: z.string(),
        digest,
        reference: z.string().optional(),
        client: z.string().optional(),
        count,
        last: z.iso.datetime(),
      }),
    )
    .optional(),
  isComplete: z.boolean(),
})

/**
 * Asks a trow registry what it holds of a digest, and who has pulled that (`GET /trow/v1/coverage`). Throws UpstreamFault of
 * `RegistryHttp`; `missing`: the registry is older than this question.
 */
export async function askCoverage(
  options: HttpRegistryOptions,
  of: Digest,
): Promise<z.infer<typeof coverageSchema>> {
  const http = new RegistryHttp({ onWait: () => {}, ...options })
  try {
    const answer = await http.ask('GET', `/trow/v1/coverage?digest=${of}`)
    if (answer.status === 404)
      throw http.missing('it does not know this question: it is older than this command')
    http.expect(answer, 200)
    return http.parse(answer, coverageSchema)
  } finally {
    await http.close()
  }
}
