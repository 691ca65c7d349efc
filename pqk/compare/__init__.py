"""Methods x seeds on one data set: every row trained for as many epochs, the results in one table and one picture."""
