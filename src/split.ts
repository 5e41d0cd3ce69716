/** Returns the values that `isFirst` takes and those that it does not take, each in their order. */
export function split<Value>(
  values: readonly Value[],
  isFirst: (value: Value) => boolean,
): [Value[], Value[]] {
  return [values.filter((value) => isFirst(value)), values.filter((value) => !isFirst(value))]
}
