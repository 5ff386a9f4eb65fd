/** Runs a system call under its name: what fails inside becomes the error that a real one gives. */
export type SystemCall = <Result>(syscall: string, path: string | undefined, run: () => Result) => Result
