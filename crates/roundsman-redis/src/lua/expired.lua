-- What has expired, whether it is under way or not. ARGV: nothing, now, at most how many.

return call('ZRANGEBYSCORE', EXPIRY, '-inf', now, 'LIMIT', 0, ARGV[3])
