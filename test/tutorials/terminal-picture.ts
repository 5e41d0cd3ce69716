/** A terminal of a picture: its title, and its screen as text with SGR escape codes. */
export interface PicturedTerminal {
  readonly title: string
  readonly screen: string
}

interface Run {
  readonly column: number
  readonly text: string
  readonly colour: string
  readonly bold: boolean
}

const colours = ['#484f58', '#ff7b72', '#7ee787', '#e3b341', '#79c0ff', '#d2a8ff', '#76e3ea', '#e6edf3']
const plain = '#e6edf3'
const dim = '#8b949e'
const [cell, row, margin, bar] = [7.8, 18, 14, 30]
const escapeCode = String.fromCharCode(27)

/** Draws terminals below each other, as SVG without scripts and fonts of its own. `columns` is the width in characters. */
export function drawTerminals(terminals: readonly PicturedTerminal[], columns: number): string {
  const width = Math.ceil(columns * cell + 2 * margin)
  const parts: string[] = []
  let top = 0
  for (const { title, screen } of terminals) {
    const lines = screen.split('\n')
    const height = bar + lines.length * row + margin
    parts.push(
      `<rect x="0" y="${top}" width="${width}" height="${height}" rx="8" fill="#0d1117" stroke="#30363d"/>`,
      ...['#ff5f56', '#ffbd2e', '#27c93f'].map(
        (fill, index) => `<circle cx="${margin + 4 + index * 18}" cy="${top + 15}" r="5" fill="${fill}"/>`,
      ),
      `<text x="${width / 2}" y="${top + 19}" fill="${dim}" text-anchor="middle">${escapeText(title)}</text>`,
    )
    const pen = { colour: plain, bold: false }
    for (const [index, line] of lines.entries()) {
      const y = top + bar + (index + 1) * row - 4
      for (const { column, text, colour, bold } of runsOf(line, pen)) {
        const x = (margin + column * cell).toFixed(1)
        const weight = bold ? ' font-weight="bold"' : ''
        parts.push(`<text x="${x}" y="${y}" fill="${colour}"${weight}>${escapeText(text)}</text>`)
      }
    }
    top += height + margin
  }
  const size = `width="${width}" height="${top - margin}" viewBox="0 0 ${width} ${top - margin}"`
  const font =
    'font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,\'DejaVu Sans Mono\',monospace" font-size="13"'
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${font} xml:space="preserve" role="img">\n<title>${escapeText(terminals.map(({ title }) => title).join(', '))}</title>\n${parts.join('\n')}\n</svg>\n`
}

/** A screen after a command with the prompt before it, the command in bold, and without the next prompt. */
export function asTyped(screen: string): string {
  const [command = '', ...answer] = screen.replace(/\n[^\n]*\$ *$/, '').split('\n')
  const [bold, ended] = [1, 0].map((code) => `${escapeCode}[${code}m`)
  return [`${bold}$ ${command.trimEnd()}${ended}`, ...answer].join('\n')
}

/** Splits a line into pieces of one look, which begins as `pen` says, and is left there for the next line. */
function runsOf(line: string, pen: { colour: string; bold: boolean }): Run[] {
  const runs: Run[] = []
  let { colour, bold } = pen
  let column = 0
  for (const piece of line.split(new RegExp(`(${escapeCode}\\[[0-9;]*m)`))) {
    if (!piece.startsWith(escapeCode)) {
      if (piece.trim() !== '') runs.push({ column, text: piece, colour, bold })
      column += Array.from(piece).length
      continue
    }
    for (const code of piece.slice(2, -1).split(';').map(Number)) {
      if (code === 0) [colour, bold] = [plain, false]
      else if (code === 1) bold = true
      else if (code === 2) colour = dim
      else if (code === 22) [colour, bold] = [plain, false]
      else if (code === 39) colour = plain
      else if (code >= 30 && code <= 37) colour = colours[code - 30] ?? plain
      else if (code >= 90 && code <= 97) colour = code === 90 ? dim : (colours[code - 90] ?? plain)
    }
  }
  Object.assign(pen, { colour, bold })
  return runs
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
