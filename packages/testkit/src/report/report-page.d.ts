/** The page of a report, as strings that are made of the folder page/ when the package is built, and when it is tested. */
declare module 'report-page' {
  export const script: string
  export const scriptHash: string
  export const style: string
  export const styleHash: string
}
