import { Agent, EnvHttpProxyAgent, interceptors, type Dispatcher } from 'undici'

/**
 * Connections that are kept, over HTTP/1.1 only: a request that times out closes its connection, and the next request gets
 * another. Over HTTP/2, which undici would otherwise negotiate, all requests to a server would wait on one dead connection.
 */
export class Http1Agent extends Agent {
  constructor(options: Omit<Agent.Options, 'allowH2'> = {}) {
    super({ ...options, allowH2: false })
  }
}

/** The same, by way of the proxy that the environment names. */
export class Http1ProxyAgent extends EnvHttpProxyAgent {
  constructor(options: Omit<EnvHttpProxyAgent.Options, 'allowH2'> = {}) {
    super({ ...options, allowH2: false })
  }

  following(maxRedirections: number): Dispatcher.ComposedDispatcher {
    return this.compose(interceptors.redirect({ maxRedirections }))
  }
}
