import { z } from 'zod'
import { grantsProblem, parseGrants, robotNameProblem } from '../../access/robots.ts'
import type { AccessStore, RobotRecord } from '../../metadata/access-store.ts'
import { localAuditRecord } from './local-audit-record.ts'
import type { ServerRequest } from '../../http/server-request.ts'
import type { Reply } from '../../http/reply.ts'
import { eventReply } from './events.ts'
import { readText } from './read-text.ts'

const longestBody = 64 * 1024

const recordSchema = z.strictObject({
  name: z.string(),
  description: z.string().max(1000).optional(),
  secretHash: z.string().regex(/^[0-9a-f]{64}$/),
  credentialId: z.string().regex(/^[0-9a-f]{16}$/),
  grants: z.string(),
  createdAt: z.number().int(),
  expiresAt: z.number().int().optional(),
})

/**
 * `GET /robots`: one record per line. `POST /robots` with a record (it holds no secret): `{"added":…}`.
 * `DELETE /robots/NAME`: `{"removed":…}`.
 */
export function answerRobots(
  kind: 'list' | 'add' | 'remove',
  request: ServerRequest,
  store: AccessStore,
): Reply {
  switch (kind) {
    case 'list':
      return eventReply(each(() => store.listRobots()))
    case 'add':
      return eventReply(
        each(async () => {
          const robot = parseRecord(await readText(request, longestBody))
          return [{ added: await store.addRobot(robot, localAuditRecord('robot-create', robot.name)) }]
        }),
      )
    case 'remove':
      return eventReply(
        each(async () => {
          const robot = decodeURIComponent(request.path.slice(request.path.lastIndexOf('/') + 1))
          const noted = { auditRecord: localAuditRecord('robot-revoke', robot), now: Date.now() }
          return [{ removed: await store.removeRobot(robot, noted) }]
        }),
      )
  }
}

/** A generator, so that a failure becomes the last line of the reply. */
async function* each<Item extends object>(read: () => Promise<readonly Item[]>): AsyncGenerator<Item> {
  yield* await read()
}

function parseRecord(text: string): RobotRecord {
  const { description, expiresAt, ...rest } = recordSchema.parse(JSON.parse(text))
  const problem = robotNameProblem(rest.name) ?? grantsProblem(parseGrants(rest.grants))
  if (problem !== undefined) throw new Error(problem)
  return { ...rest, description, expiresAt }
}
