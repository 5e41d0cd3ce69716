import { z } from 'zod'
import { issuersProblem, type OidcIssuer } from '../access/oidc-issuer.ts'

const text = z.string().min(1)
const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String)

/** `oidc` of trow.yaml: the issuers whose tokens are accepted, and the claims that they must have. */
export const oidcSchema = z
  .array(
    z
      .strictObject({
        issuer: text.describe('the URL of the issuer, as in the iss claim of its tokens'),
        audience: z
          .union([text, z.array(text).min(1)])
          .default('trow')
          .describe('what the aud claim must hold; of several one is enough'),
        'username-claim': text.optional().describe('the claim that names the user'),
        'groups-claim': text.optional().describe("the claim that lists the user's groups"),
        prefix: text.optional().describe('put before the names of users and groups, to tell issuers apart'),
        claims: z
          .record(text, scalar)
          .default({})
          .describe('claims that a token must have, with their values'),
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

/** Prints in the form that `oidcSchema` reads. */
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
