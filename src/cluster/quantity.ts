const factors: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  Ti: 1024 ** 4,
  Pi: 1024 ** 5,
  Ei: 1024 ** 6,
}

/** Parses a Kubernetes quantity (`20Gi`, `100m`, `1e3`); returns NaN if it is malformed. */
export function parseQuantity(text: string): number {
  const [, number, suffix = ''] =
    /^([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)([KMGTPE]i|[numkMGTPE])?$/.exec(text) ?? []
  return number === undefined ? Number.NaN : Number(number) * (factors[suffix] ?? Number.NaN)
}
