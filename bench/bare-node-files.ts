import { createHash } from 'node:crypto'
import fs from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { AlignedMemory, directAlignment } from '../src/blobs/disk/direct-io.ts'

const chunkSize = 256 * 1024
const idle: Buffer[] = []
/** Buffers for direct writes: one that fills and two that are written for each of 200 bodies at once. */
const aligned = new AlignedMemory(600 * chunkSize)
const idleAligned: Buffer[] = []

/** A file as a body: one buffer is read while the other is sent. */
export function sendFile(response: ServerResponse, fd: number, size: number): void {
  let position = 0
  let reading = false
  let writing = false
  const full: { buffer: Buffer; bytes: number }[] = []
  const read = (): void => {
    if (reading || position >= size || full.length > 0) return
    reading = true
    const buffer = idle.pop() ?? Buffer.allocUnsafeSlow(chunkSize)
    fs.read(fd, buffer, 0, Math.min(chunkSize, size - position), position, (error, bytes) => {
      reading = false
      if (error || bytes === 0) return response.destroy()
      position += bytes
      full.push({ buffer, bytes })
      write()
    })
  }
  const write = (): void => {
    const next = writing ? undefined : full.shift()
    if (next === undefined) return
    writing = true
    const { buffer, bytes } = next
    response.write(bytes === chunkSize ? buffer : buffer.subarray(0, bytes), () => {
      writing = false
      idle.push(buffer)
      if (response.destroyed) return
      if (position >= size && full.length === 0 && !reading) response.end()
      else write()
    })
    read()
  }
  read()
}

/** A body into memory, hashed. */
export function takeSmall(request: IncomingMessage, done: (bytes: Buffer, digest: string) => void): void {
  const hash = createHash('sha256')
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => {
    hash.update(chunk)
    chunks.push(chunk)
  })
  request.on('end', () => {
    // Memory of its own: a message to another thread copies all that lies below a view.
    const bytes = Buffer.allocUnsafeSlow(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
    let offset = 0
    for (const chunk of chunks) offset += chunk.copy(bytes, offset)
    done(bytes, `sha256:${hash.digest('hex')}`)
  })
}

/**
 * A body into a file of its own: hashed, whole blocks written past the page cache and the rest through it, two writes at
 * once, flushed; then renamed and its folder flushed.
 */
export function takeLarge(
  request: IncomingMessage,
  { folder, key }: { readonly folder: string; readonly key: string },
  done: (size: number, digest: string) => void,
): void {
  const hash = createHash('sha256')
  const staged = join(folder, 'uploads', key)
  const { O_WRONLY, O_DIRECT } = fs.constants
  let fd = 0
  let direct = 0
  let buffer: Buffer | undefined
  let fill = 0
  let position = 0
  let writing = 0
  let ended = false
  let finished = false
  const waiting: Buffer[] = []
  const fail = (error: unknown): void => {
    if (error) request.destroy()
  }
  const close = (): void => {
    for (const each of [fd, direct]) if (each !== 0) fs.close(each, () => {})
  }
  fs.open(staged, 'wx', 0o600, (error, opened) => {
    if (error) return fail(error)
    fd = opened
    fs.open(staged, O_WRONLY | O_DIRECT, (refused, second) => {
      if (refused) return fail(refused)
      direct = second
      take()
    })
  })
  request.on('data', (chunk: Buffer) => {
    waiting.push(chunk)
    hash.update(chunk)
    take()
  })
  request.on('end', () => {
    ended = true
    take()
  })
  request.on('close', () => {
    if (!ended) close()
  })
  function take(): void {
    while (direct !== 0 && waiting.length > 0) {
      if (writing >= 2 && buffer === undefined) return void request.pause()
      buffer ??= idleAligned.pop() ?? aligned.allocate(chunkSize)
      const chunk = waiting[0] as Buffer
      const copied = chunk.copy(buffer, fill)
      fill += copied
      if (copied === chunk.length) waiting.shift()
      else waiting[0] = chunk.subarray(copied)
      if (fill === chunkSize) write()
    }
    if (direct === 0 || !ended || finished) return
    if (buffer !== undefined) write()
    else if (writing === 0) finish()
  }
  function write(): void {
    const [bytes, length, start] = [buffer as Buffer, fill, position]
    const blocks = length - (length % directAlignment)
    buffer = undefined
    fill = 0
    position += length
    writing++
    const written = (error: unknown): void => {
      fail(error)
      idleAligned.push(bytes)
      writing--
      request.resume()
      take()
    }
    const rest = (error: unknown): void => {
      if (error || blocks === length) written(error)
      else fs.write(fd, bytes, blocks, length - blocks, start + blocks, written)
    }
    if (blocks === 0) rest(null)
    else fs.write(direct, bytes, 0, blocks, start, rest)
  }
  function finish(): void {
    finished = true
    fs.fdatasync(fd, (error) => {
      fail(error)
      close()
      publish()
    })
  }
  function publish(): void {
    const target = join(folder, 'blobs', key.slice(0, 2))
    fs.rename(staged, join(target, key), () =>
      fs.open(target, 'r', (_error, directory) =>
        fs.fsync(directory, () => fs.close(directory, () => done(position, `sha256:${hash.digest('hex')}`))),
      ),
    )
  }
}
