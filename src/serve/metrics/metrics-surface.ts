import type { Reply } from '../../http/reply.ts'
import { route } from '../../http/route.ts'
import { Router, type PathMatch } from '../../http/router.ts'
import type { Surface } from '../../http/surface.ts'
import type { OciError } from '../../oci/oci-error.ts'
import type { MetricsText } from './metrics-text.ts'

/** Serves `GET /metrics` to every client that reaches the listener; a refusal is one line of text. */
export class MetricsSurface implements Surface {
  readonly #router: Router

  constructor(measure: () => Promise<MetricsText>) {
    this.#router = new Router([
      route(['GET', 'HEAD'], '/metrics', 'none', async () => {
        const { contentType, text } = await measure()
        return { status: 200, headers: ['Content-Type', contentType], body: text }
      }),
    ])
  }

  find(path: string): PathMatch | undefined {
    return this.#router.find(path)
  }

  admit(): void {}

  refuse({ status, message }: OciError): Reply {
    const text = status === 404 ? 'metrics are under /metrics' : message
    return { status, headers: ['Content-Type', 'text/plain'], body: `${text}\n` }
  }
}
