import { nodeOf } from '../access/node-certificates.ts'
import { OciError } from '../oci/oci-error.ts'
import type { GateOptions } from './gate.ts'
import { HttpRefusal } from './http-refusal.ts'
import { readWhole, type BodyPlace } from './read-whole.ts'
import { route, type Route } from './route.ts'

const requestLimit = 16 * 1024

/** `POST /trow/v1/node-certificate`: a PKCS #10 request in, a certificate for the node that the token is bound to out. */
export function nodeCertificateRoutes({ access, trail }: GateOptions, place: BodyPlace): Route[] {
  if (access?.nodeCertificates === undefined) return []
  const { nodeCertificates, nodeAgents } = access
  return [
    route(['POST'], '/trow/v1/node-certificate', 'login', async (request) => {
      const { caller } = request
      // A token of ours says who somebody was: the agent shows its own, which the cluster has judged now.
      const node =
        caller !== undefined && caller.bounds === undefined ? nodeOf(caller.principal, nodeAgents) : undefined
      const recorded = {
        action: 'node-certificate',
        actor: caller?.principal ?? { kind: 'unknown', name: 'unknown', groups: [] },
        repository: undefined,
        reference: node?.name,
        digest: undefined,
        address: request.shown.address,
        userAgent: request.header('user-agent') ?? '',
        requestId: request.id,
        method: request.method,
        route: '/trow/v1/node-certificate',
      }
      if (node === undefined) {
        const reason = 'only a token of a node agent, bound to its node, gets a certificate'
        await trail?.denied({ ...recorded, reason, status: 403 })
        throw new OciError('DENIED', 'no certificate for this caller', { detail: reason })
      }
      const { body, release } = await readWhole(request, requestLimit, place)
      release()
      const issued = await nodeCertificates.issue(node, body.toString('latin1'))
      if (!issued.ok)
        throw new HttpRefusal(400, 'REQUEST_INVALID', 'the certificate request is not valid', {
          detail: issued.reason,
        })
      trail?.allowed({ ...recorded, reason: `bound to node ${node.name}`, status: 200 })
      return {
        status: 200,
        headers: ['Content-Type', 'application/pem-certificate-chain', 'Cache-Control', 'no-store'],
        body: issued.chain,
      }
    }),
  ]
}
