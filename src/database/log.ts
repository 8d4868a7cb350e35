import { Logger } from '@nestjs/common';

/** Takes one line for the operator. It never holds a password or a connection string with one. */
export type Log = (line: string) => void;

const logger = new Logger('Database');

/** The application's own logger. */
export const logToApplication: Log = (line) => logger.log(line);
