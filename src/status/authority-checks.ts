import { counted } from '../counted.ts'
import type { X509Certificate } from 'node:crypto'
import type { Check } from '../cluster/check.ts'
import type { Bundle } from '../cluster/config-data.ts'
import { hidden, type Seen } from './look.ts'
import { readCertificates } from '../pem-bundle.ts'

const day = 24 * 3_600_000

export interface AuthorityFacts {
  /** PEM of the CA that signs now; `undefined` if the Secret may not be read or does not exist. */
  readonly signing: string | undefined
  /** The bundle that clients shall trust, and its generation. */
  readonly bundle: Bundle | undefined
  /** The bundle that the agents received. */
  readonly desiredState: Seen<Bundle | undefined>
  /** True if the install has agents. */
  readonly hasAgents: boolean
  readonly now: number
}

/** Checks the CA and its bundle, but not the leaf certificate, which the registry's own answer shows. */
export function authorityChecks({ signing, bundle, desiredState, hasAgents, now }: AuthorityFacts): Check[] {
  if (bundle === undefined) {
    return [
      {
        description: 'the bundle of CAs is published',
        result: 'error',
        error: 'ConfigMap trow-ca is missing or holds no certificate',
        hint: 'Run trow install again.',
      },
    ]
  }
  const certificates = readCertificates(bundle.certificates)
  const checks: Check[] = certificates.map((certificate, index) => lifeOf(certificate, index, now))
  if (signing !== undefined) {
    const [own] = readCertificates(signing)
    const published = certificates.some(({ fingerprint256 }) => fingerprint256 === own?.fingerprint256)
    checks.push({
      description: 'the CA that signs is in the bundle',
      ...(published
        ? { result: 'success' }
        : {
            result: 'error',
            error: 'it is not: nobody trusts new certificates',
            hint: 'Run trow install again.',
          }),
    })
  }
  if (certificates.length > 1)
    checks.push({
      description: 'one CA',
      result: 'warning',
      error: `${certificates.length} CAs are trusted: one is being replaced`,
      hint: 'trow ca rotate --wait goes on; trow ca rotate --finish drops the old one.',
    })
  if (desiredState === hidden || !hasAgents) return checks
  const same =
    desiredState?.generation === bundle.generation &&
    desiredState.certificates.trim() === bundle.certificates.trim()
  checks.push({
    description: `the agents were told generation ${bundle.generation}`,
    ...(same
      ? { result: 'success' }
      : {
          result: 'error',
          error: `they were told ${differenceOf(desiredState, bundle.generation)}`,
          hint: 'Run trow install again; it tells them.',
        }),
  })
  return checks
}

/** Checks the certificate that the registry presents. */
export function leafCheck(chain: string, untrusted: string | undefined, now: number): Check {
  const description = "the registry's certificate is of that CA"
  if (untrusted !== undefined)
    return { description, result: 'error', error: untrusted, hint: 'trow ca show prints what clients trust.' }
  const [leaf] = readCertificates(chain)
  const left = leaf === undefined ? 0 : Date.parse(leaf.validTo) - now
  if (left <= 0)
    return {
      description,
      result: 'error',
      error: `it expired on ${leaf?.validTo}`,
      hint: 'Restart the registry.',
    }
  if (left < 20 * day)
    return {
      description,
      result: 'warning',
      error: `it ends on ${leaf?.validTo} and should have been renewed`,
    }
  return { description, result: 'success' }
}

function differenceOf(desiredState: Bundle | undefined, generation: number): string {
  if (desiredState === undefined) return 'nothing'
  return desiredState.generation === generation
    ? 'other CAs under that number'
    : `generation ${desiredState.generation}`
}

function lifeOf(certificate: X509Certificate, index: number, now: number): Check {
  const left = Date.parse(certificate.validTo) - now
  const description = `CA ${index + 1} is valid until ${new Date(certificate.validTo).toISOString().slice(0, 10)}`
  const hint = 'trow ca rotate --wait replaces it.'
  if (left <= 0) return { description, result: 'error', error: 'it has expired', hint }
  if (Date.parse(certificate.validFrom) > now)
    return { description, result: 'error', error: `it is not valid before ${certificate.validFrom}`, hint }
  if (left < 60 * day)
    return {
      description,
      result: 'warning',
      error: `it ends in ${counted(Math.ceil(left / day), 'day')}`,
      hint,
    }
  return { description, result: 'success' }
}
