import { nodeOf } from '../access/node-certificates.ts'
import type { AuditedAccess } from '../audit/trail.ts'
import { OciError } from '../oci/oci-error.ts'
import { describeAccess } from './audited-access.ts'
import type { GateOptions } from './gate.ts'
import { HttpRefusal } from './http-refusal.ts'
import { readWhole, type BodyPlace } from './read-whole.ts'
import { route, type Route } from './route.ts'

const path = '/trow/v1/node-certificate'
const requestLimit = 16 * 1024

/**
 * `POST /trow/v1/node-certificate`: takes a PKCS #10 request and returns a certificate for the node that the
 * caller's token is bound to.
 */
export function nodeCertificateRoutes({ access, trail }: GateOptions, place: BodyPlace): Route[] {
  if (access?.nodeCertificates === undefined) return []
  const { nodeCertificates, nodeAgents } = access
  return [
    route(['POST'], path, 'login', async (request) => {
      const { caller } = request
      // A trow token proves an identity of the past. The agent must send its service account token, which the
      // cluster has reviewed for this request.
      const node =
        caller !== undefined && caller.bounds === undefined ? nodeOf(caller.principal, nodeAgents) : undefined
      const accessOf = (reason: string, status: number): AuditedAccess =>
        describeAccess(request, path, {
          action: 'node-certificate',
          actor: caller?.principal ?? { kind: 'unknown', name: 'unknown', groups: [] },
          reason,
          reference: node?.name,
          status,
        })
      if (node === undefined) {
        const reason = 'only a token of a node agent, bound to its node, gets a certificate'
        await trail?.denied(accessOf(reason, 403))
        throw new OciError('DENIED', 'no certificate for this caller', { detail: reason })
      }
      const { body, release } = await readWhole(request, requestLimit, place)
      release()
      const issued = await nodeCertificates.issue(node, body.toString('latin1'))
      if (!issued.ok)
        throw new HttpRefusal(400, 'REQUEST_INVALID', 'the certificate request is not valid', {
          detail: issued.reason,
        })
      trail?.allowed(accessOf(`bound to node ${node.name}`, 200))
      return {
        status: 200,
        headers: ['Content-Type', 'application/pem-certificate-chain', 'Cache-Control', 'no-store'],
        body: issued.chain,
      }
    }),
  ]
}
