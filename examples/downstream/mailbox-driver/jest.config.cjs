// Jest as it comes: CommonJS. Babel turns the driver's own files into that; the packages have it ready.
module.exports = {
  testMatch: ['**/test/*.jest.js'],
  transform: { '\\.js$': ['babel-jest', { plugins: ['@babel/plugin-transform-modules-commonjs'] }] },
}
