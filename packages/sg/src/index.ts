export type { Nents, OrigNents } from './counts'
export { SgTable } from './sg-table'
