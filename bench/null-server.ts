import net from 'node:net'

/**
 * Answers every request at once with the same bytes and looks at nothing but where the head ends and how long the
 * body is: what our own client can do at most.
 */
const headEnd = Buffer.from('\r\n\r\n')
const replies = {
  HEAD: 'HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n',
  GET: 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  POST: 'HTTP/1.1 202 Accepted\r\nLocation: /v2/null/blobs/uploads/1\r\nContent-Length: 0\r\n\r\n',
  PUT: 'HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n',
}

const server = net.createServer({ noDelay: true }, (socket) => {
  let left = 0
  let reply = ''
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    let rest = chunk
    if (left === 0) {
      const end = chunk.indexOf(headEnd)
      const head = chunk.toString('latin1', 0, end)
      reply = replies[head.slice(0, head.indexOf(' ')) as keyof typeof replies]
      left = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
      rest = chunk.subarray(end + 4)
    }
    left -= rest.length
    if (left <= 0) {
      left = 0
      socket.write(reply, 'latin1')
    }
  })
})
server.listen(Number(process.argv[2]), '127.0.0.1')
