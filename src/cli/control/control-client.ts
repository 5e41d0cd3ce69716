import { request, type IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { errorCode } from '../../error-code.ts'
import { parseForeignJson } from '../../foreign-json.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { controlSocketPath } from '../../serve/control/socket-path.ts'

const longestLine = 4 * 1024 * 1024
const lineSchema = z.looseObject({ error: z.string().optional() })

/** Returns the reply of the server that serves this folder; `undefined` if none does. */
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

/**
 * Reads the server's events, one JSON object per line. Throws UserError SERVER_FAILED if the server reports a
 * failure or the reply is cut.
 */
export async function* readEvents<Event>(reply: IncomingMessage): AsyncGenerator<Event> {
  try {
    const lines = createInterface({ input: reply })
    // If the reply is cut, `readline` alone would never end.
    reply.once('close', () => lines.close())
    for await (const line of lines) {
      const event = parseForeignJson(line, lineSchema, longestLine)
      if (event.error !== undefined) throw new UserError('SERVER_FAILED', event.error)
      // The event is not checked further: this socket belongs to the server of the folder, which is the same
      // program.
      yield event as Awaited<Event>
    }
  } catch (error) {
    throw error instanceof UserError ? error : cut(error)
  }
  if (!reply.complete) throw cut(undefined)
}

/** The answer of the server of a folder. Throws UserError SERVER_NOT_RUNNING, with this hint, and what the server refuses. */
export async function askRunning<Answer>(
  folder: string,
  {
    method,
    path,
    body,
  }: { readonly method: 'GET' | 'POST'; readonly path: string; readonly body?: string | undefined },
  hint: string,
): Promise<Answer> {
  const reply = await askServer(folder, method, path, body)
  if (reply === undefined)
    throw new UserError('SERVER_NOT_RUNNING', `no trow serves ${folder}`, {
      hint,
      exitCode: exitCode.unreachable,
    })
  if (reply.statusCode !== 200) throw await refusalOf(reply)
  return readAnswer<Answer>(reply)
}

/** Characters: the coverage of a digest may name thousands of manifests with their tags. */
const longestAnswer = 64 * 1024 * 1024
const answerSchema = z.looseObject({})

/** Reads an answer of one JSON text. Throws UserError SERVER_FAILED if it is cut. */
export async function readAnswer<Answer>(reply: IncomingMessage): Promise<Answer> {
  try {
    let text = ''
    for await (const chunk of reply.setEncoding('utf8')) {
      text += String(chunk)
      if (text.length > longestAnswer) throw new Error(`it has more than ${longestAnswer} characters`)
    }
    // As with events, the answer is not checked further.
    return parseForeignJson(text, answerSchema, longestAnswer) as Answer
  } catch (error) {
    throw cut(error)
  }
}

const longestRefusal = 64 * 1024
const refusal = z.object({
  code: z.string().regex(/^[A-Z_]+$/),
  message: z.string(),
  hint: z.string().optional(),
  exitCode: z.number().int(),
})

/** Returns the server's refusal as a UserError. */
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
