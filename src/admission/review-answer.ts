/** What the API server is told. */
export interface ReviewAnswer {
  readonly uid: string
  readonly isAllowed: boolean
  /** Where it is not allowed: what the person reads. */
  readonly message: string
  /** At most 256 characters each, 4,096 in all: the API server cuts the one and drops the other. */
  readonly warnings: readonly string[]
  /** Into the API server's own audit log, below the webhook's name. */
  readonly annotations: Readonly<Record<string, string>>
}

/**
 * The body of the reply, `admission.k8s.io/v1`. Its HTTP status is always 200: any other one, and a reply that does not come,
 * is an allow under `failurePolicy: Ignore`.
 */
export function answerText({ uid, isAllowed, message, warnings, annotations }: ReviewAnswer): string {
  return JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: {
      uid,
      allowed: isAllowed,
      ...(!isAllowed && { status: { status: 'Failure', code: 403, reason: 'Forbidden', message } }),
      ...(warnings.length > 0 && { warnings }),
      ...(Object.keys(annotations).length > 0 && { auditAnnotations: annotations }),
    },
  })
}

/** For what could not be judged: said so, and not let in. */
export function uncheckedAnswer(uid: string, why: string): ReviewAnswer {
  return {
    uid,
    isAllowed: false,
    message: `the images could not be checked, try again: ${why}`,
    warnings: [],
    annotations: { decision: 'unchecked' },
  }
}
