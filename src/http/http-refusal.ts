import { OciError, type OciErrorCode } from '../oci/oci-error.ts'

/** A refusal by the rules of HTTP, not of the registry: the specification's JSON with a status of its own. */
export class HttpRefusal extends OciError {
  readonly #status: number

  constructor(
    status: number,
    code: OciErrorCode,
    message: string,
    options: { detail?: unknown; headers?: Readonly<Record<string, string>>; cause?: unknown } = {},
  ) {
    super(code, message, options)
    this.#status = status
  }

  override get status(): number {
    return this.#status
  }
}
