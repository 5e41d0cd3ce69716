import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** A file's text; a link as `{ link }`; a folder as a path that ends in a slash. */
export type Tree = Readonly<Record<string, string | { readonly link: string }>>

/** The root folder of a machine, made from a list of its files. */
export class MachineTree {
  readonly root = mkdtempSync(join(tmpdir(), 'trow-machine-'))

  constructor(tree: Tree) {
    for (const [path, content] of Object.entries(tree)) {
      const at = join(this.root, path)
      mkdirSync(path.endsWith('/') ? at : dirname(at), { recursive: true })
      if (path.endsWith('/')) continue
      if (typeof content === 'string') writeFileSync(at, content)
      else symlinkSync(content.link, at)
    }
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), 'utf8')
  }
  write(path: string, text: string): void {
    const at = join(this.root, path)
    mkdirSync(dirname(at), { recursive: true })
    writeFileSync(at, text)
  }
  mode(path: string, mode: number): void {
    chmodSync(join(this.root, path), mode)
  }

  /** Every path with its kind, mode, owner and content. */
  all(): Record<string, string> {
    const found: Record<string, string> = {}
    for (const name of readdirSync(this.root, { recursive: true, encoding: 'utf8' }).sort()) {
      const at = join(this.root, name)
      const { mode, uid, gid } = lstatSync(at)
      const kind = lstatSync(at)
      const content = kind.isSymbolicLink()
        ? readlinkSync(at)
        : kind.isFile()
          ? readFileSync(at, 'latin1')
          : ''
      found[name] = `${mode.toString(8)} ${uid}:${gid} ${content}`
    }
    return found
  }

  /** The paths of files and links, without folders. */
  paths(): string[] {
    return Object.entries(this.all())
      .filter(([, entry]) => !entry.startsWith('4'))
      .map(([path]) => path)
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true })
  }
}
