/** One object of an upload: what one request of its client has brought. */
export interface UploadPart {
  /** Empty: the object of the upload's own key; else a name below it. */
  readonly name: string
  /** Bytes that belong to the upload. */
  readonly used: number
  /** Bytes of the object: more than `used` if its end was given up. */
  readonly stored: number
}

/** `:8388608,0f…:5000/9000`: name and bytes of each part, in order; `/`: the bytes of the object where it has more. */
export function encodeParts(parts: readonly UploadPart[]): string {
  return parts
    .map(({ name, used, stored }) => `${name}:${used}${stored === used ? '' : `/${stored}`}`)
    .join(',')
}

/** Throws if the text is not from `encodeParts`. */
export function decodeParts(text: string): UploadPart[] {
  return text.split(',').map((part) => {
    const match = /^([0-9a-f]*):(\d+)(?:\/(\d+))?$/.exec(part)
    if (match === null) throw new Error(`the parts of an upload cannot be read: ${text.slice(0, 200)}`)
    const used = Number(match[2])
    return { name: match[1] as string, used, stored: Number(match[3] ?? used) }
  })
}

/** The parts of the first `size` bytes; undefined if they are fewer. */
export function cutParts(parts: readonly UploadPart[], size: number): UploadPart[] | undefined {
  const kept: UploadPart[] = []
  let left = size
  for (const part of parts) {
    if (left === 0) break
    const used = Math.min(left, part.used)
    kept.push({ ...part, used })
    left -= used
  }
  return left === 0 ? kept : undefined
}
