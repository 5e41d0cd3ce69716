import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { grantsProblem, parseGrants, robotNameProblem } from '../../access/robots.ts'
import type { AccessStore, RobotRecord } from '../../metadata/access-store.ts'
import { localNote } from '../access/local-note.ts'
import { sendEvents } from './events.ts'

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
 * /robots/NAME`: `{"removed":…}`. False: it is another request.
 */
export async function answerRobots(
  asked: { readonly method: string; readonly url: URL },
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
  store: AccessStore,
): Promise<boolean> {
  const { pathname } = asked.url
  if (pathname === '/robots' && asked.method === 'GET') {
    await sendEvents(
      response,
      each(() => store.listRobots()),
    )
    return true
  }
  if (pathname === '/robots' && asked.method === 'POST') {
    const add = async (): Promise<object[]> => {
      const robot = parseRecord(await readBody(request))
      return [{ added: await store.addRobot(robot, localNote('robot-create', robot.name)) }]
    }
    await sendEvents(response, each(add))
    return true
  }
  const name = /^\/robots\/([^/]+)$/.exec(pathname)?.[1]
  if (name === undefined || asked.method !== 'DELETE') return false
  await sendEvents(
    response,
    each(async () => {
      const robot = decodeURIComponent(name)
      const noted = { note: localNote('robot-revoke', robot), now: Date.now() }
      return [{ removed: await store.removeRobot(robot, noted) }]
    }),
  )
  return true
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

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += (chunk as Buffer).length
    if (size > longestBody) throw new Error('the request is too long')
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}
