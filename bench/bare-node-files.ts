import { createHash } from 'node:crypto'
import fs from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'

const chunkSize = 256 * 1024
const flushDistance = 8 * 2 ** 20
const idle: Buffer[] = []

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

/** A body into a file of its own: hashed, written, flushed behind the writes; then renamed and its folder flushed. */
export function takeLarge(
  request: IncomingMessage,
  { folder, key }: { readonly folder: string; readonly key: string },
  done: (size: number, digest: string) => void,
): void {
  const hash = createHash('sha256')
  const staged = join(folder, 'uploads', key)
  let fd = 0
  let waiting: Buffer[] = []
  let waitingBytes = 0
  let position = 0
  let unflushed = 0
  let busy = true
  let flushing = false
  let ended = false
  const fail = (error: unknown): void => {
    if (error) request.destroy()
  }
  fs.open(staged, 'wx', 0o600, (error, opened) => {
    if (error) return fail(error)
    fd = opened
    busy = false
    write()
  })
  request.on('data', (chunk: Buffer) => {
    waiting.push(chunk)
    waitingBytes += chunk.length
    if (waitingBytes >= chunkSize) write()
    if (waitingBytes >= 2 * chunkSize) request.pause()
    hash.update(chunk)
  })
  request.on('end', () => {
    ended = true
    write()
  })
  request.on('close', () => {
    if (!ended && fd !== 0) fs.close(fd, () => {})
  })
  function write(): void {
    if (busy || (waitingBytes < chunkSize && !ended)) return
    if (waitingBytes === 0) return flushing ? undefined : finish()
    busy = true
    const parts = waiting
    const bytes = waitingBytes
    waiting = []
    waitingBytes = 0
    fs.writev(fd, parts, position, (error, written) => {
      if (error || written !== bytes) return fail(error ?? new Error('a short write'))
      busy = false
      position += bytes
      unflushed += bytes
      request.resume()
      if (unflushed >= flushDistance && !flushing) flushBehind()
      write()
    })
  }
  function flushBehind(): void {
    flushing = true
    unflushed = 0
    fs.fdatasync(fd, (error) => {
      fail(error)
      flushing = false
      if (ended) write()
    })
  }
  function finish(): void {
    busy = true
    fs.fdatasync(fd, () => fs.close(fd, () => publish()))
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
