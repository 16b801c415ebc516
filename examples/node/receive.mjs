// Prints the verdicts of events until Ctrl-C: node receive.mjs

import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";

const queue = process.env.EVENTS_QUEUE_URL;
if (!queue) {
  console.error("Set EVENTS_QUEUE_URL to the queue that receives the events");
  process.exit(2);
}

// The same event may arrive more than once.
function handle({ type, data }) {
  if (type === "inspection.completed" || type === "inspection.failed") {
    console.log(`${data.id} ${data.verdict}`);
  }
}

const sqs = new SQSClient();
try {
  for (;;) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl: queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 20 }),
    );
    for (const { Body, ReceiptHandle } of Messages) {
      handle(JSON.parse(Body));
      // Not before: an event that is not deleted arrives again.
      await sqs.send(new DeleteMessageCommand({ QueueUrl: queue, ReceiptHandle }));
    }
  }
} catch (error) {
  console.error(`Receiving failed: ${error.name}: ${error.message || error.code}`);
  process.exitCode = 1;
}
