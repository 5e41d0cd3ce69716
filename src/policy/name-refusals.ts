/** A sentence without a full stop, and how to resolve it. */
export interface RefusalWords {
  readonly detail: string
  readonly fix: string
}

/**
 * What `decide()` and the floor of the API server both say of a name, in the same words. A tag stands for `TAG` where there is one.
 */
export const nameRefusals = {
  NOT_ALLOWED: {
    detail: 'no rule covers the name, and the default is deny',
    fix: 'use an image that a rule covers, or ask for a rule or an exception',
  },
  NO_POLICY: {
    detail: 'no policy judges it, and the settings refuse what none judges',
    fix: 'make a policy for it',
  },
  DIGEST_REQUIRED: { detail: 'the name has no digest', fix: 'put @sha256:… behind the name' },
  TAG_DENIED: { detail: 'the tag TAG is denied', fix: 'use another tag, or a digest' },
} as const satisfies Readonly<Record<string, RefusalWords>>

/** Of the tag that a rule denies. */
export function deniedTag(tag: string): RefusalWords {
  const { detail, fix } = nameRefusals.TAG_DENIED
  return { detail: detail.replace('TAG', () => tag), fix }
}
