/**
 * The version of the form of results. It changes when a member is removed or renamed, or gets another type or meaning;
 * not when a member or a kind is added.
 */
export const resultVersion = 'cli.trow.io/v1'
