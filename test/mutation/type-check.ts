import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

/** Whether a source would still compile in the place of a file: a change that the compiler refuses needs no test. */
export function openTypeCheck(root: string): (file: string, source: string) => boolean {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => readFileSync(path, 'utf8')) as {
    config: unknown
  }
  const { options, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  const policies = fileNames.filter((name) => name.startsWith(join(root, 'src/policy')))
  const changed = new Map<string, { readonly version: string; readonly source: string }>()
  let version = 0
  const service = ts.createLanguageService({
    getCompilationSettings: () => options,
    getScriptFileNames: () => policies,
    getScriptVersion: (name) => changed.get(name)?.version ?? '0',
    getScriptSnapshot: (name) => {
      const text = changed.get(name)?.source ?? ts.sys.readFile(name)
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text)
    },
    getCurrentDirectory: () => root,
    getDefaultLibFileName: (each) => ts.getDefaultLibFilePath(each),
    fileExists: (name) => ts.sys.fileExists(name),
    readFile: (name) => ts.sys.readFile(name),
    directoryExists: (name) => ts.sys.directoryExists(name),
  })
  return (file, source) => {
    const name = join(root, file)
    changed.set(name, { version: String(++version), source })
    const problems = [...service.getSyntacticDiagnostics(name), ...service.getSemanticDiagnostics(name)]
    changed.set(name, { version: String(++version), source: readFileSync(name, 'utf8') })
    return problems.length === 0
  }
}
