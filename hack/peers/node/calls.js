// Calls the service with grpc-js: what a caller in Node sees. Usage: calls.js HOST:PORT FILE.proto
'use strict';
const assert = require('node:assert');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const CALLS = 500;
const [address, file] = process.argv.slice(2);
const { UserInfo } = grpc.loadPackageDefinition(loader.loadSync(file, { keepCase: true, longs: String })).api.user_info;
const client = new UserInfo(address, grpc.credentials.createInsecure());

function get(userID, timeout = 10_000) {
  return new Promise((resolve, reject) => {
    client.GetUserInfo({ userID }, { deadline: Date.now() + timeout }, (error, reply) => (error ? reject(error) : resolve(reply)));
  });
}

async function refused(call, code) {
  const error = await call.then((reply) => assert.fail(`answered instead of ${code}: ${JSON.stringify(reply)}`), (e) => e);
  assert.strictEqual(error.code, code, error.message);
  return error;
}

async function main() {
  const { user } = await get('1');
  assert.ok(user.userID === '1' && user.name, JSON.stringify(user));
  const replies = await Promise.all(Array.from({ length: CALLS }, (_, number) => get(String(1 + (number % 10)), 30_000)));
  replies.forEach((reply, number) => assert.strictEqual(reply.user.userID, String(1 + (number % 10))));
  const missing = await refused(get('99'), grpc.status.NOT_FOUND);
  const details = missing.metadata.get('grpc-status-details-bin')[0];
  assert.ok(details.includes('google.rpc.ErrorInfo') && details.includes('USER_NOT_FOUND'), details.toString());
  await refused(get('1', -1), grpc.status.DEADLINE_EXCEEDED);
  client.close();
  console.log(`${CALLS} calls at once, errors with their details, deadlines`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
