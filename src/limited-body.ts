/** Returns the bytes of a reply; rejects as soon as there are more than `limit`. */
export async function readLimited(body: AsyncIterable<unknown>, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    size += (chunk as Buffer).length
    if (size > limit) throw new Error(`more than ${limit} bytes were sent`)
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks)
}
