import { z } from 'zod'
import { issuersProblem, type OidcIssuer } from '../access/oidc-issuer.ts'

const text = z.string().min(1)
const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String)

/** `oidc` of trow.yaml: issuers whose tokens are taken, and which of them. */
export const oidcSchema = z
  .array(
    z
      .strictObject({
        issuer: text,
        audience: z.union([text, z.array(text).min(1)]).default('trow'),
        'username-claim': text.optional(),
        'groups-claim': text.optional(),
        prefix: text.optional(),
        claims: z.record(text, scalar).default({}),
      })
      .transform((entry): OidcIssuer => {
        const { 'username-claim': usernameClaim, 'groups-claim': groupsClaim, prefix } = entry
        return {
          issuer: entry.issuer,
          audiences: [entry.audience].flat(),
          claims: entry.claims,
          ...(usernameClaim === undefined ? {} : { usernameClaim }),
          ...(groupsClaim === undefined ? {} : { groupsClaim }),
          ...(prefix === undefined ? {} : { prefix }),
        }
      }),
  )
  .superRefine((issuers, context) => {
    const problem = issuersProblem(issuers)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  })

/** As `oidcSchema` reads it. */
export function printOidc(issuers: readonly OidcIssuer[]): readonly object[] {
  return issuers.map(({ issuer, audiences, usernameClaim, groupsClaim, prefix, claims }) => ({
    issuer,
    audience: audiences,
    'username-claim': usernameClaim,
    'groups-claim': groupsClaim,
    prefix,
    claims,
  }))
}
