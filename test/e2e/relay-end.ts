import { listenAndDial, type Endpoint } from './relay.ts'

// The end of a relay inside a network namespace. Prints its port, and runs until its input ends.

const [from, to] = process.argv.slice(2).map((text) => JSON.parse(text) as Endpoint)
if (from === undefined || to === undefined) throw new Error('two endpoints are needed')
const server = await listenAndDial(from, to)
const address = server.address()
process.stdout.write(`${typeof address === 'object' ? (address?.port ?? 0) : 0}\n`)
process.stdin.resume().on('end', () => process.exit(0))
