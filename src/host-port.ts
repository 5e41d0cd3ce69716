/** Returns `10.0.0.1:443`, `registry.example.com:443` or `[fd00::1]:443`, as a URL has it (RFC 3986, 3.2.2). */
export function hostPort(host: string, port: number | string): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
