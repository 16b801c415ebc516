// Sends a photo and prints its inspection's id: node send.mjs PHOTO [ID]

import { randomUUID } from "node:crypto";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";

const queue = process.env.DAMAGE_QUEUE_URL;
const [photo, id = randomUUID()] = process.argv.slice(2);
if (!queue || !photo) {
  console.error("Set DAMAGE_QUEUE_URL and run: node send.mjs PHOTO [ID]");
  process.exit(2);
}

const message = { image_url: photo, car_id: 7, inspection: { id } };
try {
  await new SQSClient().send(
    new SendMessageCommand({ QueueUrl: queue, MessageBody: JSON.stringify(message) }),
  );
  console.log(id);
} catch (error) {
  console.error(`Sending failed: ${error.name}: ${error.message || error.code}`);
  console.error(`Send the photo again with the same id: ${id}`);
  process.exitCode = 1;
}
