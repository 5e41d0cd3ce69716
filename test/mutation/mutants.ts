import ts from 'typescript'

/** One change of a source that a test should notice. */
export interface Mutant {
  readonly from: number
  readonly to: number
  readonly text: string
  /** Counted from 1. */
  readonly line: number
  readonly what: string
}

const swapped: ReadonlyMap<ts.SyntaxKind, readonly string[]> = new Map([
  [ts.SyntaxKind.EqualsEqualsEqualsToken, ['!==']],
  [ts.SyntaxKind.ExclamationEqualsEqualsToken, ['===']],
  [ts.SyntaxKind.LessThanToken, ['<=', '>=']],
  [ts.SyntaxKind.LessThanEqualsToken, ['<', '>']],
  [ts.SyntaxKind.GreaterThanToken, ['>=', '<=']],
  [ts.SyntaxKind.GreaterThanEqualsToken, ['>', '<']],
  [ts.SyntaxKind.AmpersandAmpersandToken, ['||']],
  [ts.SyntaxKind.BarBarToken, ['&&']],
  [ts.SyntaxKind.BarBarEqualsToken, ['&&=']],
  [ts.SyntaxKind.QuestionQuestionToken, ['&&']],
  [ts.SyntaxKind.PlusToken, ['-']],
  [ts.SyntaxKind.MinusToken, ['+']],
  [ts.SyntaxKind.AsteriskToken, ['/']],
  [ts.SyntaxKind.SlashToken, ['*']],
])

/** Methods of lists and texts that are taken away, or turned to their opposite. */
const methods: ReadonlyMap<string, string> = new Map([
  ['some', 'every'],
  ['every', 'some'],
  ['startsWith', 'endsWith'],
  ['endsWith', 'startsWith'],
  ['toLowerCase', 'toUpperCase'],
  ['min', 'max'],
  ['indexOf', 'lastIndexOf'],
  ['lastIndexOf', 'indexOf'],
])
const dropped: ReadonlySet<string> = new Set([
  'filter',
  'sort',
  'slice',
  'refine',
  'regex',
  'optional',
  'map',
  'replaceAll',
])

/** All mutants of a source; strings of messages are left alone, but for being emptied. */
export function mutantsOf(source: string, file: string): readonly Mutant[] {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true)
  const mutants: Mutant[] = []
  const add = (node: ts.Node, text: string): void => {
    const [from, to] = [node.getStart(tree), node.getEnd()]
    const before = source.slice(from, to)
    if (before === text) return
    const line = tree.getLineAndCharacterOfPosition(from).line + 1
    const short = (each: string): string => each.replaceAll(/\s+/g, ' ').slice(0, 60)
    mutants.push({ from, to, text, line, what: `${short(before)} -> ${short(text)}` })
  }
  const visit = (node: ts.Node): void => {
    if (isSilent(node)) return
    mutate(node, tree, add)
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return mutants
}

/** What does not run. */
function isSilent(node: ts.Node): boolean {
  return (
    ts.isTypeNode(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isImportDeclaration(node)
  )
}

function mutate(node: ts.Node, tree: ts.SourceFile, add: (node: ts.Node, text: string) => void): void {
  if (ts.isBinaryExpression(node)) {
    for (const text of swapped.get(node.operatorToken.kind) ?? []) add(node.operatorToken, text)
  } else if (ts.isIfStatement(node)) {
    add(node.expression, 'true')
    add(node.expression, 'false')
  } else if (ts.isConditionalExpression(node)) {
    add(node.condition, 'true')
    add(node.condition, 'false')
  } else if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken) {
    add(node, node.operand.getText(tree))
  } else if (node.kind === ts.SyntaxKind.TrueKeyword) {
    add(node, 'false')
  } else if (node.kind === ts.SyntaxKind.FalseKeyword) {
    add(node, 'true')
  } else if (ts.isNumericLiteral(node)) {
    add(node, String(Number(node.text.replaceAll('_', '')) + 1))
  } else if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) {
    if (node.text !== '') add(node, "''")
  } else if (ts.isArrayLiteralExpression(node) && node.elements.length > 0) {
    add(node, '[]')
  } else if (ts.isRegularExpressionLiteral(node)) {
    mutatePattern(node, tree, add)
  } else if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
    const { name, expression } = node.expression
    const other = methods.get(name.text)
    if (other !== undefined) add(name, other)
    if (dropped.has(name.text)) add(node, expression.getText(tree))
  } else if (ts.isExpressionStatement(node) && ts.isCallExpression(node.expression)) {
    add(node, ';')
  } else if (ts.isSpreadElement(node)) {
    add(node, '')
  }
}

function mutatePattern(
  node: ts.RegularExpressionLiteral,
  tree: ts.SourceFile,
  add: (node: ts.Node, text: string) => void,
): void {
  const text = node.getText(tree)
  const [end, flags] = [text.lastIndexOf('/'), text.slice(text.lastIndexOf('/'))]
  const body = text.slice(1, end)
  if (body.startsWith('^')) add(node, `/${body.slice(1)}${flags}`)
  if (body.endsWith('$')) add(node, `/${body.slice(0, -1)}${flags}`)
  add(node, `/(?!)/${flags.slice(1)}`)
}
