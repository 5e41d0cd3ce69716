import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { RequestBody } from '../../src/http/request-body.ts'

const megabyte = 1024 * 1024

test('a body that comes fast lets the event loop go round for others', async () => {
  const length = 8 * megabyte
  let [sinceTurn, most, total, turning] = [0, 0, 0, true]
  const turn = (): void => {
    sinceTurn = 0
    if (turning) setImmediate(turn)
  }
  const readAll = async (message: http.IncomingMessage): Promise<void> => {
    for await (const chunk of new RequestBody(message)) {
      total += chunk.byteLength
      most = Math.max(most, (sinceTurn += chunk.byteLength))
    }
  }
  const server = http.createServer((message, response) => void readAll(message).then(() => response.end()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  await once(client, 'connect')
  turn()
  client.write(`PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n`)
  client.write(Buffer.alloc(length))
  client.resume()
  await once(client, 'close')
  turning = false
  server.close()
  assert.equal(total, length)
  assert.ok(most <= megabyte / 2, `${most} bytes in one turn`)
})
