import { request, type IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { errorCode } from '../../error-code.ts'
import { parseForeignJson } from '../../foreign-json.ts'
import { UserError } from '../../user-error.ts'
import { controlSocketPath } from '../../serve/control/socket-path.ts'

const longestLine = 4 * 1024 * 1024
const lineSchema = z.looseObject({ error: z.string().optional() })

/** The reply of the server that serves this folder; undefined when nobody does. */
export async function askServer(
  folder: string,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: string,
): Promise<IncomingMessage | undefined> {
  try {
    const socket = controlSocketPath(folder)
    try {
      return await new Promise<IncomingMessage>((resolve, reject) => {
        request({ socketPath: socket.path, method, path }, resolve).on('error', reject).end(body)
      })
    } finally {
      socket.close()
    }
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined
    if (code === 'EACCES') {
      throw new UserError('CONTROL_NOT_PERMITTED', `${folder} is served by another user`, {
        hint: 'Run this as the user that runs trow serve.',
        cause: error,
      })
    }
    throw error
  }
}

/** Events of the server, a JSON line each. Throws UserError SERVER_FAILED when it says that it failed, or is cut. */
export async function* readEvents<Event>(reply: IncomingMessage): AsyncGenerator<Event> {
  try {
    const lines = createInterface({ input: reply })
    // Of a reply that is cut the lines would never end.
    reply.once('close', () => lines.close())
    for await (const line of lines) {
      const event = parseForeignJson(line, lineSchema, longestLine)
      if (event.error !== undefined) throw new UserError('SERVER_FAILED', event.error)
      // Of the same program: whoever opens this socket is the one who serves the folder.
      yield event as Awaited<Event>
    }
  } catch (error) {
    throw error instanceof UserError ? error : cut(error)
  }
  if (!reply.complete) throw cut(undefined)
}

const longestRefusal = 64 * 1024
const refusal = z.object({
  code: z.string().regex(/^[A-Z_]+$/),
  message: z.string(),
  hint: z.string().optional(),
  exitCode: z.number().int(),
})

/** What the server said instead of doing it, as the error that it is. */
export async function refusalOf(reply: IncomingMessage): Promise<UserError> {
  let text = ''
  try {
    for await (const chunk of reply.setEncoding('utf8')) {
      text += String(chunk)
      if (text.length > longestRefusal) break
    }
    const { code, message, hint, exitCode } = parseForeignJson(text, refusal)
    return new UserError(code, message, { exitCode, ...(hint === undefined ? {} : { hint }) })
  } catch (cause) {
    return new UserError('SERVER_FAILED', `the server refused with status ${reply.statusCode}`, {
      hint: 'Its log may say more. Is it of the same version as this command?',
      cause,
    })
  }
}

function cut(cause: unknown): UserError {
  return new UserError('SERVER_FAILED', 'the server ended before it was done', {
    hint: 'Its log says more; run the command again.',
    cause,
  })
}
