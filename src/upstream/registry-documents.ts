import { z } from 'zod'
import { isDigest } from '../oci/digest.ts'

export const digestText = z.string().refine(isDigest, 'is no digest')
export const count = z.int().nonnegative()

/** `_catalog`, of the older API of Docker. */
export const catalogSchema = z.object({ repositories: z.array(z.string()).nullish() })

/** distribution-spec, "Listing Tags". */
export const tagsSchema = z.object({ tags: z.array(z.string()).nullish() })
const listed = z.object({
  digest: digestText,
  mediaType: z.string(),
  artifactType: z.string().optional(),
})

/** distribution-spec, "Listing Referrers". */
export const referrersSchema = z.object({
  manifests: z.array(listed.extend({ size: z.number() })).nullish(),
})

/** A page of trow's list of manifests without a tag: `_trow/manifests/untagged`. */
export const untaggedPage = z.object({
  expireAfter: count.optional(),
  manifests: z
    .array(
      listed.extend({
        size: count,
        untaggedSince: z.iso.datetime(),
        frees: count.optional(),
        children: count.optional(),
      }),
    )
    .max(1000),
})

/** A page of trow's list of repositories with their figures: `_trow/repositories/figures`. */
export const repositoriesPage = z.object({
  repositories: z
    .array(
      z.object({
        name: z.string(),
        tags: count,
        manifests: count,
        bytes: count,
        pushedAt: z.iso.datetime(),
      }),
    )
    .max(1000),
})

/** When a manifest came: `_trow/manifests/history`. */
export const seenSchema = z.object({
  since: z.iso.datetime(),
  atLatest: z.boolean(),
  pusher: z.string().optional(),
})

/** A page of what a tag has named: `_trow/tags/history`. */
export const targetsPage = z.object({
  targets: z
    .array(
      seenSchema.extend({
        digest: digestText,
        until: z.iso.datetime().optional(),
        end: z.enum(['moved', 'removed']).optional(),
      }),
    )
    .max(1000),
})
