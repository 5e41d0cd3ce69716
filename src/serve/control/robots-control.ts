import { z } from 'zod'
import { grantsProblem, parseGrants, robotNameProblem } from '../../access/robots.ts'
import type { AccessStore, RobotRecord } from '../../metadata/access-store.ts'
import { localNote } from './local-note.ts'
import type { RegistryRequest } from '../../http/registry-request.ts'
import type { Reply } from '../../http/reply.ts'
import { eventReply } from './events.ts'

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
 * `GET /robots`: a record each. `POST /robots` with a record, which holds no secret: `{"added":…}`. `DELETE
 * /robots/NAME`: `{"removed":…}`.
 */
export function answerRobots(
  kind: 'list' | 'add' | 'remove',
  request: RegistryRequest,
  store: AccessStore,
): Reply {
  switch (kind) {
    case 'list':
      return eventReply(each(() => store.listRobots()))
    case 'add':
      return eventReply(
        each(async () => {
          const robot = parseRecord(await readBody(request))
          return [{ added: await store.addRobot(robot, localNote('robot-create', robot.name)) }]
        }),
      )
    case 'remove':
      return eventReply(
        each(async () => {
          const robot = decodeURIComponent(request.path.slice(request.path.lastIndexOf('/') + 1))
          const noted = { note: localNote('robot-revoke', robot), now: Date.now() }
          return [{ removed: await store.removeRobot(robot, noted) }]
        }),
      )
  }
}

/** So that what fails becomes the last line. */
async function* each<Item extends object>(read: () => Promise<readonly Item[]>): AsyncGenerator<Item> {
  yield* await read()
}

function parseRecord(text: string): RobotRecord {
  const { description, expiresAt, ...rest } = recordSchema.parse(JSON.parse(text))
  const problem = robotNameProblem(rest.name) ?? grantsProblem(parseGrants(rest.grants))
  if (problem !== undefined) throw new Error(problem)
  return { ...rest, description, expiresAt }
}

async function readBody(request: RegistryRequest): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body().source) {
    size += chunk.byteLength
    if (size > longestBody) throw new Error('the request is too long')
    // Copied: a chunk is valid only until the next one.
    chunks.push(Uint8Array.from(chunk))
  }
  return Buffer.concat(chunks).toString('utf8')
}
