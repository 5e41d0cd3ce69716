import {
  admissionAuditRecord,
  parseAdmissionEvents,
  type AdmissionAuditRecord,
  type Announced,
} from '../audit/admission-event.ts'
import { parseRepositoryName, type RepositoryName } from '../oci/repository-name.ts'
import { parseReference, type Reference } from '../oci/tag.ts'
import { HttpRefusal } from './http-refusal.ts'
import { readWhole, type BodyPlace } from './read-whole.ts'
import type { ServerRequest } from './server-request.ts'
import { jsonReply } from './reply.ts'
import { route, type Route } from './route.ts'

/** What the admission pods ask of the registry. */
export interface AdmissionDoor {
  /** JSON: what policies must know of an image's content. */
  facts(repository: RepositoryName, reference: Reference): Promise<object>
  /** Undefined: nothing is audited. */
  readonly records:
    | {
        /** Resolves when they are durable. */
        keep(records: readonly AdmissionAuditRecord[]): Promise<void>
        /** Changes of policies that a webhook has let through, for the records of these changes. */
        announce(changes: readonly Announced[]): void
      }
    | undefined
}

export const factsPath = '/trow/v1/content'
export const recordsPath = '/trow/v1/audit/admission'

const questionLimit = 4096
const reportLimit = 1024 * 1024

/**
 * `POST /trow/v1/content` takes `{"repository","reference"}` and returns the facts of that content.
 * `POST /trow/v1/audit/admission` takes `{"events":[…]}` (`admission-event.ts`); 204: they are durable.
 */
export function admissionRoutes(door: AdmissionDoor | undefined, place: BodyPlace): Route[] {
  if (door === undefined) return []
  return [
    route(['POST'], factsPath, 'facts', async (request) => {
      const { repository, reference } = questionOf(await bodyOf(request, questionLimit, place))
      return jsonReply(200, await door.facts(repository, reference), ['Cache-Control', 'no-store'])
    }),
    route(['POST'], recordsPath, 'records', async (request) => {
      const { records } = door
      const events = parseAdmissionEvents(await bodyOf(request, reportLimit, place))
      if (events === undefined)
        throw new HttpRefusal(400, 'REQUEST_INVALID', 'the report cannot be read', {
          detail: 'it is {"events":[…]}, of decisions, policies and gaps',
        })
      const { caller } = request
      const reporter = { name: caller?.name ?? '', address: request.presented.address, route: recordsPath }
      await records?.keep(events.map((event) => admissionAuditRecord(event, reporter)))
      records?.announce(events.filter((event) => event.kind === 'policy'))
      return { status: 204, headers: [] }
    }),
  ]
}

async function bodyOf(request: ServerRequest, limit: number, place: BodyPlace): Promise<Buffer> {
  const { body, release } = await readWhole(request, limit, place)
  release()
  return body
}

/** Throws OciError NAME_INVALID, TAG_INVALID, DIGEST_INVALID or REQUEST_INVALID. */
function questionOf(body: Buffer): { readonly repository: RepositoryName; readonly reference: Reference } {
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    value = undefined
  }
  if (typeof value === 'object' && value !== null && 'repository' in value && 'reference' in value) {
    const { repository, reference } = value
    if (typeof repository === 'string' && typeof reference === 'string')
      return { repository: parseRepositoryName(repository), reference: parseReference(reference) }
  }
  throw new HttpRefusal(400, 'REQUEST_INVALID', 'the question cannot be read', {
    detail: 'it is {"repository":"NAME","reference":"TAG or DIGEST"}',
  })
}
