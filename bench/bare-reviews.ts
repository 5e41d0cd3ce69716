import { readFileSync } from 'node:fs'
import https from 'node:https'
import { parseArgs } from 'node:util'

/**
 * The least that an answer to a review costs in Node: TLS, the body, its JSON, and an answer of the same form. What this takes beside trow,
 * in the same run, belongs to the machine and to the client.
 */
const { values } = parseArgs({ options: { cert: { type: 'string' }, key: { type: 'string' } } })
const { cert = '', key = '' } = values

const server = https.createServer(
  { cert: readFileSync(cert), key: readFileSync(key) },
  (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const review = JSON.parse(Buffer.concat(chunks).toString()) as {
        readonly request: { readonly uid: string }
      }
      response.setHeader('Content-Type', 'application/json')
      response.end(JSON.stringify({ response: { uid: review.request.uid, allowed: true } }))
    })
  },
)
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  console.log(typeof address === 'object' && address !== null ? address.port : '')
})
